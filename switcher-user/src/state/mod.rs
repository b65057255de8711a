//! What outlives the daemon beside the maps: names, shares, the running configuration, the journal.

pub mod journal;
pub mod store;

pub use self::{
    journal::{Journal, Record},
    store::{SavedSwitch, State, Store},
};
