//! archgen-tests: to be filled.
