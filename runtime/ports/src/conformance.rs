//! The conformance suites: what every implementation of a port must do, run through the port itself.
