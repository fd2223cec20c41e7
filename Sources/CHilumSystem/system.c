#include "CHilumSystem.h"
