//! archgen-client: to be filled.
