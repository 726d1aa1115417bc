//! archgen-socketio: to be filled.
