//! The judge as a whole.
