//! archgen-backends: to be filled.
