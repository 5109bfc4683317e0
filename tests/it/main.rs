//! Everything that needs more than one module, in one crate so that it is linked once.

mod proxy;
