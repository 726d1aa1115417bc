//! archgen-generator: to be filled.
