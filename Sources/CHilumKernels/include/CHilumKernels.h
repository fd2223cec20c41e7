#ifndef HILUM_KERNELS_H
#define HILUM_KERNELS_H
#include "checksum.h"
#include "codes.h"
#include "convolution.h"
#include "distance.h"
#include "matrix.h"
#include "network.h"
#endif
