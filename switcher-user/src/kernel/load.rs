//! Adopting what is pinned, or loading the embedded object and pinning it.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use aya::{EbpfLoader, maps::MapInfo, programs::Xdp};
use aya_obj::programs::XdpAttachType;
use switcher_common::{
    abi::{ABI_VERSION, flow::BUCKET_ENTRIES_U32, meta::Meta},
    hash::Seed,
};

use super::{
    Capacity, Kernel, Program, attach,
    maps::{Maps, OpenError, PINNED, error_chain},
    object,
};

/// Why the data plane cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// `pin_dir` is not on a bpf file system.
    #[error("pin_dir {0} is not on a bpf file system; mount one: mount -t bpf bpf /sys/fs/bpf")]
    NotBpffs(PathBuf),
    /// Something under `pin_dir` cannot be made, read or removed.
    #[error("{path}: {error}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The pins are there, but not ours or damaged.
    #[error(
        "the maps pinned at {dir} cannot be adopted: map {error}; nothing was changed; \
             if no switcher runs on them, remove them: switcherd --config FILE --unload"
    )]
    Maps {
        /// Where.
        dir: PathBuf,
        /// Why.
        error: OpenError,
    },
    /// The pins are another daemon version's.
    #[error(
        "the maps pinned at {dir} have layout version {found}, this daemon's is {ABI_VERSION}; nothing was \
             changed; run the daemon they belong to, or remove them: switcherd --config FILE --unload"
    )]
    Version {
        /// Where.
        dir: PathBuf,
        /// Their version.
        found: u32,
    },
    /// The configuration fixes a seed, and the pinned maps were made with another.
    #[error(
        "daemon.seed differs from the seed that the running data plane hashes with; changing it would \
             break every connection; set it back, or start anew: switcherd --config FILE --unload"
    )]
    Seed,
    /// The configuration wants more room than the pinned maps have.
    #[error(
        "{what}: {wanted} are wanted, but the running maps were made for {found}; set it back, or start anew \
             (this ends established connections): switcherd --config FILE --unload"
    )]
    Capacity {
        /// The key of the configuration.
        what: &'static str,
        /// What it says.
        wanted: u32,
        /// What there is.
        found: u32,
    },
    /// The kernel refused the object.
    #[error("the kernel refused the program: {0}")]
    Load(String),
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LoadError + '_ {
    move |error| LoadError::Io { path: path.to_owned(), error }
}

pub(super) fn open(
    pin_dir: PathBuf,
    capacity: Capacity,
    seed: Seed,
    fixed_seed: Option<Seed>,
) -> Result<Kernel, LoadError> {
    let maps_dir = pin_dir.join("maps");
    check_bpffs(&pin_dir)?;
    for dir in [&pin_dir, &maps_dir, &pin_dir.join("links")] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(dir))?;
    }
    let adoptable = |error| LoadError::Maps { dir: maps_dir.clone(), error };
    match Maps::read_meta(&maps_dir).map_err(adoptable)? {
        Some(meta) if meta.abi_version == ABI_VERSION => {
            if fixed_seed.is_some_and(|seed| seed.0 != meta.seed) {
                return Err(LoadError::Seed);
            }
            check_capacity(&maps_dir, capacity)?;
            adopt(pin_dir, &maps_dir, capacity, meta)
        }
        // A start that was cut short before anything was attached: nothing of it can be in use.
        Some(meta) if meta.abi_version == 0 => {
            remove_files(&maps_dir)?;
            create(pin_dir, &maps_dir, capacity, seed)
        }
        Some(meta) => Err(LoadError::Version { dir: maps_dir, found: meta.abi_version }),
        None => {
            remove_files(&maps_dir)?;
            create(pin_dir, &maps_dir, capacity, seed)
        }
    }
}

fn check_bpffs(pin_dir: &Path) -> Result<(), LoadError> {
    let existing = pin_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let kind = nix::sys::statfs::statfs(existing)
        .map_err(|errno| LoadError::Io { path: existing.to_owned(), error: errno.into() })?
        .filesystem_type();
    if kind == nix::sys::statfs::BPF_FS_MAGIC { Ok(()) } else { Err(LoadError::NotBpffs(pin_dir.to_owned())) }
}

/// Removes our own pins, by name; what we do not know is left alone.
fn remove_files(maps_dir: &Path) -> Result<(), LoadError> {
    let pin_dir = maps_dir.parent().unwrap_or(maps_dir);
    let pins = PINNED.iter().map(|map| maps_dir.join(map)).chain([pin_dir.join("program")]);
    for pin in pins {
        match fs::remove_file(&pin) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&pin)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// The maps' sizes are fixed when they are created: a configuration that does not fit is refused.
fn check_capacity(maps_dir: &Path, capacity: Capacity) -> Result<(), LoadError> {
    let sizes = [
        ("services", "SERVICES", u32::from(capacity.least_services), None),
        ("backends", "BACKENDS", u32::from(capacity.least_backends), None),
        ("daemon.flow_entries", "FLOWS", capacity.flow_buckets, Some(BUCKET_ENTRIES_U32)),
    ];
    for (what, map, wanted, exact) in sizes {
        let info = MapInfo::from_pin(maps_dir.join(map)).map_err(|error| LoadError::Maps {
            dir: maps_dir.to_owned(),
            error: OpenError { map, reason: error_chain(&error) },
        })?;
        let found = info.max_entries();
        match exact {
            Some(unit) if found != wanted => {
                return Err(LoadError::Capacity { what, wanted: wanted * unit, found: found * unit });
            }
            None if found < wanted => {
                return Err(LoadError::Capacity { what, wanted: wanted - 1, found: found - 1 });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Loads the object over the maps pinned in `maps_dir`, creating those that are not there, and pins the
/// program at `pin`.
fn load_object(maps_dir: &Path, pin: &Path, capacity: Capacity, seed: Seed) -> Result<Xdp, LoadError> {
    let refused = |error: &dyn std::error::Error| LoadError::Load(error_chain(error));
    let services = u32::from(capacity.services);
    let backends = u32::from(capacity.backends);
    // Every service and backend has an endpoint of its own and shares one for its bare address.
    let endpoints = (services + backends) * 2;
    let mut loader = EbpfLoader::new();
    loader
        .map_max_entries("ENDPOINTS", endpoints)
        .map_max_entries("SERVICES", services)
        .map_max_entries("SWITCHES", services)
        .map_max_entries("RINGS", capacity.slots)
        .map_max_entries("BACKENDS", backends)
        .map_max_entries("FLOWS", capacity.flow_buckets)
        .map_max_entries("AT_RISK", services)
        .map_max_entries("WITNESSES", services)
        .map_max_entries("BACKEND_COUNTERS", backends)
        .map_max_entries("SERVICE_COUNTERS", services)
        .override_global("SEED", &seed.0, true)
        .override_global("FLOW_BUCKETS", &capacity.flow_buckets, true);
    for map in PINNED {
        loader.map_pin_path(map, maps_dir.join(map));
    }
    let mut loaded = loader.load(object::OBJECT).map_err(|error| refused(&error))?;
    let program: &mut Xdp = loaded
        .program_mut(object::PROGRAM)
        .ok_or_else(|| LoadError::Load(format!("the object has no program {}", object::PROGRAM)))?
        .try_into()
        .map_err(|error: aya::programs::ProgramError| refused(&error))?;
    program.load().map_err(|error| LoadError::Load(last_lines(&error_chain(&error))))?;
    program.pin(pin).map_err(|error| refused(&error))?;
    // From here on the pin keeps program and maps; `loaded` closes what it holds.
    Xdp::from_pin(pin, XdpAttachType::Interface).map_err(|error| refused(&error))
}

/// First start: nothing is attached yet, so nothing can go wrong for a packet.
fn create(pin_dir: PathBuf, maps_dir: &Path, capacity: Capacity, seed: Seed) -> Result<Kernel, LoadError> {
    let program = load_object(maps_dir, &pin_dir.join("program"), capacity, seed)?;
    let mut maps = open_maps(maps_dir)?;
    let meta = Meta {
        digest: object::digest(),
        seed: seed.0,
        abi_version: ABI_VERSION,
        flow_buckets: capacity.flow_buckets,
        pad: [0; 8],
    };
    maps.set_meta(meta).map_err(|error| LoadError::Load(error_chain(&error)))?;
    kernel(pin_dir, maps, program, meta.digest, false)
}

/// Later starts: the pinned program goes on, or is replaced on its links if this daemon carries another.
fn adopt(pin_dir: PathBuf, maps_dir: &Path, capacity: Capacity, meta: Meta) -> Result<Kernel, LoadError> {
    let pin = pin_dir.join("program");
    let mut maps = open_maps(maps_dir)?;
    let digest = object::digest();
    if meta.digest == digest {
        let program = Xdp::from_pin(&pin, XdpAttachType::Interface)
            .map_err(|error| LoadError::Load(error_chain(&error)))?;
        return kernel(pin_dir, maps, program, digest, true);
    }
    let next = pin_dir.join("program-next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&next)(error)),
        _ => {}
    }
    let mut program = load_object(maps_dir, &next, capacity, Seed(meta.seed))?;
    attach::replace_on_links(&mut program, &pin_dir.join("links"))
        .map_err(|error| LoadError::Load(error_chain(&error)))?;
    fs::rename(&next, &pin).map_err(io_error(&pin))?;
    maps.set_meta(Meta { digest, ..meta }).map_err(|error| LoadError::Load(error_chain(&error)))?;
    kernel(pin_dir, maps, program, digest, true)
}

fn open_maps(maps_dir: &Path) -> Result<Maps, LoadError> {
    Maps::open(maps_dir).map_err(|error| LoadError::Maps { dir: maps_dir.to_owned(), error })
}

fn kernel(
    pin_dir: PathBuf,
    maps: Maps,
    program: Xdp,
    digest: [u8; 32],
    adopted: bool,
) -> Result<Kernel, LoadError> {
    let id = program.info().map_err(|error| LoadError::Load(error_chain(&error)))?.id();
    Ok(Kernel { maps, program: Program { id, digest, pin_dir, loaded: program }, adopted })
}

/// The verifier tells the reason at the end of a log of thousands of lines.
fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let tail = lines.len().saturating_sub(6).max(1);
    [&lines[..1.min(lines.len())], &lines[tail.min(lines.len())..]].concat().join("\n")
}
