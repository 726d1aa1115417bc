//! What a fleet keeps under its state folder (`.archgen/`), apart from the hosts' own data: the fleet's description, keys, ports,
//! the list of processes, the lock. Who runs the fleet is in `supervisor`.

mod files;
mod fleet_file;
mod layout;
mod lock;
mod nodes;
mod port_owner;
mod ports;
mod processes;

pub use files::{demo_password, read_service_key, service_key, write_private};
pub use fleet_file::FleetFile;
pub use layout::StateFolder;
pub use lock::{Lock, running_pid};
pub use nodes::{Nodes, StoreNodes, movable, nodes, room_for_moves, save_nodes, with_held};
pub use ports::{PortError, assign};
pub use processes::{ProcessList, ProcessRecord, start_ticks};
