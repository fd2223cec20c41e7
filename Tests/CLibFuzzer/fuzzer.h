// The one call of libFuzzer that a program with a `main` of its own needs (compiler-rt's FuzzerInterface.h declares no such function).
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
