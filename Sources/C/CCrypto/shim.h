// Makes libcrypto's message digests visible to Swift.
#pragma once
#include <openssl/evp.h>
