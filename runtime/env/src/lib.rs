//! archgen-env: to be filled.
