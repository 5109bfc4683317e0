//! Kubernetes: plain manifests, applied to any cluster, with nothing to install in it.

pub mod apply;
pub mod diagnose;
pub mod manifests;
