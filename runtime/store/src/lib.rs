//! archgen-store: to be filled.
