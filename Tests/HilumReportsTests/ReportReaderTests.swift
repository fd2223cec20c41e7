import HilumReports
import Testing
