//! Images as they lie on this machine: read from where other tools have put them, and assembled without any.

pub mod assemble;
pub mod layout;
