//! archgen-services: to be filled.
