// Nothing to call: being linked with it is enough.
