// Nothing to call: what CStart.c does happens before the program's libraries begin.
#pragma once
