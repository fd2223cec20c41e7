import HilumCore
import HilumImaging
