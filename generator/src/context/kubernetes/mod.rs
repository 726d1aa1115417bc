//! Kubernetes: plain manifests, a file for each component, and a Kustomize base over them. Built as data.

mod manifests;
mod network;
mod workload;

pub(crate) use manifests::files;
