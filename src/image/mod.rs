//! Images: what they are called and labelled, how they are built, how they lie on this machine, and how they are assembled without any
//! other tool.

pub mod assemble;
pub mod build;
pub mod layout;
pub mod metadata;
