//! The program on its interfaces: by links that are pinned, adopted and updated, never detached.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::programs::{
    Xdp, XdpMode,
    links::{FdLink, LinkType, PinnedLink},
    xdp::XdpLink,
};

use super::maps::error_chain;
use crate::model::{Interface, Mode};

/// An attached interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface's index.
    pub interface: u32,
    /// The link's id.
    pub id: u32,
    /// How the program is attached.
    pub mode: Mode,
    /// Whether the link was found pinned and adopted.
    pub adopted: bool,
}

/// Why the program cannot be attached to an interface.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no such interface.
    #[error("interface {0}: there is none of this name here; name one of `ip link`")]
    NoInterface(String),
    /// Somebody else's program is there.
    #[error(
        "interface {0}: another XDP program is attached; see `ip link show {0}`, detach it with \
             `ip link set dev {0} xdp off`, or leave the interface out of the configuration"
    )]
    Busy(String),
    /// The driver has no native XDP, or not as configured.
    #[error("interface {name}: the driver refused {mode}: {reason}")]
    Refused {
        /// The interface.
        name: String,
        /// The mode tried.
        mode: &'static str,
        /// What the kernel said, and the fix.
        reason: String,
    },
    /// The pinned link cannot be used.
    #[error("interface {name}: its pinned link cannot be adopted: {reason}")]
    Pin {
        /// The interface.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The pin's name for an interface: a bpf file system has no dots in names (kernel/bpf/inode.c), interfaces
/// have no colons.
fn pin_name(interface: &str) -> String {
    interface.replace('.', ":")
}

/// The interface of a pin's name.
pub(super) fn interface_name(pin: &str) -> String {
    pin.replace(':', ".")
}

/// The index of an interface.
///
/// # Errors
///
/// There is none of this name.
pub fn find(name: &str) -> Result<u32, AttachError> {
    nix::net::if_::if_nametoindex(name).map_err(|_errno| AttachError::NoInterface(name.to_owned()))
}

pub(super) fn attach(program: &mut Xdp, pin_dir: &Path, interface: &Interface) -> Result<Link, AttachError> {
    let name = &interface.name;
    let index = find(name)?;
    let pin = pin_dir.join("links").join(pin_name(name));
    if pin.exists() {
        if let Some(link) = adopt(program, &pin, interface, index)? {
            return Ok(link);
        }
        // The interface it was on is gone, and one of the same name has taken its place.
        fs::remove_file(&pin)
            .map_err(|error| AttachError::Pin { name: name.clone(), reason: error.to_string() })?;
    }
    let (mode, in_words) = match interface.mode {
        Mode::Native => (XdpMode::Driver, "native XDP"),
        Mode::Generic => (XdpMode::Skb, "generic XDP"),
    };
    let refused = |reason| AttachError::Refused { name: name.clone(), mode: in_words, reason };
    let id = program.attach_to_if_index(index, mode).map_err(|error| explain(interface, &error))?;
    let link = program.take_link(id).map_err(|error| refused(error_chain(&error)))?;
    // aya falls back to netlink where the kernel refuses a link; such an attachment would end with us.
    let link = FdLink::try_from(link).map_err(|_error| {
        refused(
            "the kernel has no XDP links for it (it needs 5.9), so the program would not outlive the daemon"
                .into(),
        )
    })?;
    let info = link.info().map_err(|error| refused(error_chain(&error)))?;
    link.pin(&pin).map_err(|error| AttachError::Pin { name: name.clone(), reason: error_chain(&error) })?;
    Ok(Link { interface: index, id: info.id(), mode: interface.mode, adopted: false })
}

/// Takes back [`attach`]: nothing but the pin keeps the link.
pub(super) fn detach(pin_dir: &Path, interface: &Interface) -> Result<(), AttachError> {
    let name = &interface.name;
    fs::remove_file(pin_dir.join("links").join(pin_name(name)))
        .map_err(|error| AttachError::Pin { name: name.clone(), reason: error.to_string() })
}

/// The pinned link as it is: nothing if its interface no longer exists.
fn adopt(
    program: &mut Xdp,
    pin: &Path,
    interface: &Interface,
    index: u32,
) -> Result<Option<Link>, AttachError> {
    let unusable = |reason| AttachError::Pin { name: interface.name.clone(), reason };
    let link = PinnedLink::from_pin(pin).map_err(|error| unusable(error_chain(&error)))?;
    let link = FdLink::from(link);
    let info = link.info().map_err(|error| unusable(error_chain(&error)))?;
    if !matches!(info.link_type(), Ok(LinkType::Xdp)) {
        return Err(unusable(format!("{} is not an XDP link", pin.display())));
    }
    if interface_of(info.id()) != Some(index) {
        return Ok(None);
    }
    // An upgrade that was cut short, or maps made anew: the link has another program than ours.
    let ours = program.info().map_err(|error| unusable(error_chain(&error)))?.id();
    if info.program_id() != ours {
        replace(program, link).map_err(|error| unusable(format!("{error:#}")))?;
    }
    Ok(Some(Link { interface: index, id: info.id(), mode: interface.mode, adopted: true }))
}

/// The index of the interface that an open XDP link is on; 0 once the interface is gone.
///
/// aya does not tell, the kernel does so in `/proc/self/fdinfo` (net/core/dev.c, `bpf_xdp_link_show_fdinfo`).
fn interface_of(link: u32) -> Option<u32> {
    let infos = fs::read_dir("/proc/self/fdinfo").ok()?;
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u32>().ok())
    };
    infos
        .filter_map(|info| fs::read_to_string(info.ok()?.path()).ok())
        .find(|text| field(text, "link_id") == Some(link))
        .and_then(|text| field(&text, "ifindex"))
}

/// What the kernel's error number means for an operator.
fn explain(interface: &Interface, error: &aya::programs::ProgramError) -> AttachError {
    use aya::programs::ProgramError;
    let ProgramError::SyscallError(syscall) = error else {
        return AttachError::Refused {
            name: interface.name.clone(),
            mode: "XDP",
            reason: error_chain(error),
        };
    };
    let number = syscall.io_error.raw_os_error().unwrap_or(0);
    let fix = match number {
        libc::EBUSY | libc::EEXIST => return AttachError::Busy(interface.name.clone()),
        libc::EOPNOTSUPP => "; it has none: set mode = \"generic\" for this interface (slower)",
        libc::ERANGE | libc::EINVAL => {
            "; often the MTU is too large for XDP: lower it, or set mode = \"generic\""
        }
        _ => "",
    };
    AttachError::Refused {
        name: interface.name.clone(),
        mode: if interface.mode == Mode::Native { "native XDP" } else { "generic XDP" },
        reason: format!("{}{fix}", syscall.io_error),
    }
}

/// Why a pinned link could not be given another program.
#[derive(Debug, thiserror::Error)]
#[error("link {path}: {reason}")]
pub(super) struct ReplaceError {
    path: PathBuf,
    reason: String,
}

/// Puts `program` in the place of the one on every pinned link. Each link changes atomically; one whose
/// interface is gone has nothing to change.
pub(super) fn replace_on_links(program: &mut Xdp, links: &Path) -> Result<(), ReplaceError> {
    let failed = |path: &Path, reason: String| ReplaceError { path: path.to_owned(), reason };
    let entries = fs::read_dir(links).map_err(|error| failed(links, error.to_string()))?;
    for entry in entries {
        let path = entry.map_err(|error: io::Error| failed(links, error.to_string()))?.path();
        let link =
            FdLink::from(PinnedLink::from_pin(&path).map_err(|error| failed(&path, error_chain(&error)))?);
        let info = link.info().map_err(|error| failed(&path, error_chain(&error)))?;
        if interface_of(info.id()).is_some_and(|interface| interface != 0) {
            replace(program, link).map_err(|error| failed(&path, format!("{error:#}")))?;
        }
    }
    Ok(())
}

fn replace(program: &mut Xdp, link: FdLink) -> anyhow::Result<()> {
    let id = program.attach_to_link(XdpLink::try_from(link)?)?;
    // Taken out of the program, so that dropping it does not detach; the pin keeps the link.
    program.take_link(id)?;
    Ok(())
}
