#ifndef HILUM_SYSTEM_H
#define HILUM_SYSTEM_H
#endif
