//! The conformance suite on the back ends of this crate.
