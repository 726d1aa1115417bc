//! What runs in a container of each instance: the same for Compose and Kubernetes, which only write it down differently.

mod engines;
mod own;
mod shape;

pub(crate) use engines::{EXPORTER_IMAGE, Join, exporter_arguments, joins};
pub(crate) use shape::{
    CONFIGURATION, Check, Container, ENGINE_FILES, FLEET_KEY, Image, STORE_PASSWORD, Text, container,
    cpu_request_millicores, memory_request_bytes,
};
