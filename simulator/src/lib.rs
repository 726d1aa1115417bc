//! archgen-simulator: to be filled.
