import HilumCore
