#include <stdint.h>

// The plain functions rather than EVP: a context that is a value, nothing that can fail, and no configuration file that is read.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
