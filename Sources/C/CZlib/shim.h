// Makes zlib visible to Swift.
#pragma once
#include <zlib.h>
