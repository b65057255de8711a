//! The one list of types that may be copied to and from maps byte by byte.

use aya::Pod;

use super::{
    backend::Backend,
    endpoint::{Endpoint, EndpointKey},
    meta::Meta,
    outcome::Counters,
    service::Service,
    transition::{AtRisk, Witness},
};

macro_rules! pod {
    ($($type:ty),+ $(,)?) => {
        $(
            // SAFETY: the type is `Copy`, `repr(C)`, made of integers only, and has no padding: its size,
            // alignment and offsets are asserted in `abi/mod.rs`.
            unsafe impl Pod for $type {}
        )+
    };
}

pod!(AtRisk, Backend, Counters, Endpoint, EndpointKey, Meta, Service, Witness);
