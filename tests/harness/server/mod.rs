//! What stands behind a service: servers that say their color.

mod echo;
mod nginx;

pub use echo::Echo;
pub use nginx::Nginx;
