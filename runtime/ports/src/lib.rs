//! archgen-ports: to be filled.
