//! archgen-fleet: to be filled.
