//! The daemon's life: everything is read and checked before anything is touched, and ends in reverse order.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use switcher_common::hash::Seed;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    api::{message::InterfaceStatus, server},
    config,
    kernel::{self, Capacity, Kernel, Program},
    model, netlink,
    owner::{Now, Owner, adopt::Sources, status::Facts, task},
    plane::Plane as _,
    state::{Journal, Store},
};

/// Slots of a ring whose configuration gives no size.
const DEFAULT_RING: u32 = 4093;
/// How long open API connections may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT. Packets flow on afterwards: everything is pinned.
///
/// # Errors
///
/// What stands in the way of starting, with its fix. Whatever ran before still runs then.
pub fn run(config_path: &Path) -> Result<()> {
    let config = config::load(config_path)?;
    let text = read(config_path)?;
    for interface in &config.interfaces {
        kernel::find_interface(&interface.name)?;
    }
    let state_dir = &config.daemon.state_dir;
    fs::create_dir_all(state_dir).with_context(|| {
        format!("daemon.state_dir {}: name a directory that can be made", state_dir.display())
    })?;
    let unwritable = || {
        format!(
            "daemon.state_dir {} cannot be written; make it writable or name another",
            state_dir.display()
        )
    };
    let lock = fs::File::create(state_dir.join("lock")).with_context(unwritable)?;
    if lock.try_lock().is_err() {
        bail!("daemon.state_dir {}: another daemon uses it; stop that one first", state_dir.display());
    }
    let store = Store::new(state_dir);
    let mut state = store.load()?;
    let fixed_seed = config.daemon.seed.map(Seed);
    let seed = *state.seed.get_or_insert_with(|| config.daemon.seed.unwrap_or_else(rand::random));
    let seed = fixed_seed.unwrap_or(Seed(seed));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = server::bind(&config.daemon.socket)
            .with_context(|| format!("daemon.socket {}", config.daemon.socket.display()))?;
        let _socket = SocketFile(&config.daemon.socket);
        // A change that cannot be kept must not wait for the next restart to be lost.
        store.save(&state).with_context(unwritable)?;
        let Kernel { maps, mut program, adopted } =
            Kernel::open(config.daemon.pin_dir.clone(), capacity(&config), seed, fixed_seed)?;
        tracing::info!(program = program.id, adopted, "data plane");
        for (key, wanted, room) in [
            ("daemon.max_services", config.daemon.max_services, maps.max_services()),
            ("daemon.max_backends", config.daemon.max_backends, maps.max_backends()),
        ] {
            if wanted > room {
                tracing::warn!("{key} is {wanted}, but the running maps have room for {room}: it takes effect after --unload");
            }
        }
        if let Err(error) = program.forward_logs() {
            tracing::warn!("the kernel program's messages cannot be read: {error:#}");
        }
        let facts = Facts {
            program_id: program.id,
            digest: program.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            map_ids: maps.ids.clone(),
            interfaces: Vec::new(),
            problems: host_problems(&config, &program),
            started_with: Some(config.clone()),
        };
        let sources = Sources {
            plane: Box::new(maps),
            state,
            store,
            journal: Journal::new(&config.daemon.state_dir),
            facts,
        };
        // Services before interfaces: the program is attached once its maps say everything.
        let mut owner = Owner::open(sources, &config, &text, Now::read())?;
        for (interface, link) in program.attach_all(&config.interfaces)? {
            tracing::info!(interface = interface.name, link = link.id, adopted = link.adopted, "attached");
            owner.add_interface(InterfaceStatus {
                name: interface.name.clone(),
                index: link.interface,
                mode: link.mode,
                link_id: link.id,
            });
        }
        let interfaces = config.interfaces.iter().map(|interface| interface.name.clone()).collect();
        serve(owner, interfaces, listener, &config.daemon.socket).await
    })
}

async fn serve(
    owner: Owner,
    interfaces: BTreeSet<String>,
    listener: tokio::net::UnixListener,
    socket: &Path,
) -> Result<()> {
    let (stop, stopping) = watch::channel(false);
    let (mailbox, targets, mut owner) = task::spawn(owner, stopping.clone());
    let mut netlink = tokio::spawn(netlink::watch(targets, interfaces, mailbox.clone()));
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        let _either: Result<(), _> = stopping.wait_for(|stop| *stop).await.map(|_| ());
    };
    let mut api = tokio::spawn(server::serve(listener, mailbox, stopped(stopping)));
    tracing::info!(socket = %socket.display(), "ready");

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping; packets flow on"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping; packets flow on"),
        // None of them ends by itself: a daemon without one of them must be started anew.
        ended = &mut api => bail!("the API ended: {ended:?}"),
        ended = &mut owner => bail!("the owner of the state ended: {ended:?}"),
        ended = &mut netlink => bail!("netlink ended: {ended:?}"),
    }
    stop.send_replace(true);
    netlink.abort();
    owner.await?;
    // Event streams have no end of their own.
    if tokio::time::timeout(GRACE, &mut api).await.is_err() {
        api.abort();
    }
    Ok(())
}

/// Removes the socket at the end, whatever ended it.
struct SocketFile<'a>(&'a Path);

impl Drop for SocketFile<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.0) {
            tracing::warn!("{}: {error}", self.0.display());
        }
    }
}

/// Detaches the program and removes every pin under `pin_dir`: established connections end.
///
/// # Errors
///
/// A daemon still answers, or a pin cannot be removed.
pub fn unload(config_path: &Path) -> Result<()> {
    let config = config::load(config_path)?;
    if std::os::unix::net::UnixStream::connect(&config.daemon.socket).is_ok() {
        bail!("a daemon answers at {}; stop it first", config.daemon.socket.display());
    }
    for dir in ["links", "maps", ""] {
        let dir = config.daemon.pin_dir.join(dir);
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry?.path();
            if !path.is_dir() {
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
                tracing::info!(pin = %path.display(), "removed");
            }
        }
        fs::remove_dir(&dir).with_context(|| dir.display().to_string())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("configuration {}", path.display()))
}

fn capacity(config: &model::Config) -> Capacity {
    let services = config.daemon.max_services;
    let rings: u32 = config.services.iter().map(|service| service.ring).sum();
    let count = |number: usize| u16::try_from(number + 1).unwrap_or(u16::MAX);
    Capacity {
        services,
        backends: config.daemon.max_backends,
        least_services: count(config.services.len()),
        least_backends: count(config.services.iter().map(|service| service.backends.len()).sum()),
        slots: (u32::from(services) * DEFAULT_RING).max(rings.saturating_mul(2)),
        flow_buckets: config.daemon.flow_entries / switcher_common::abi::flow::BUCKET_ENTRIES_U32,
    }
}

/// What is wrong with the host, in sentences with their fix.
fn host_problems(config: &model::Config, program: &Program) -> Vec<String> {
    let mut problems = Vec::new();
    let families = [
        ("IPv4", "net.ipv4.ip_forward", config.services.iter().any(|service| service.vip.is_ipv4())),
        ("IPv6", "net.ipv6.conf.all.forwarding", config.services.iter().any(|service| service.vip.is_ipv6())),
    ];
    for (family, key, used) in families {
        let value = fs::read_to_string(format!("/proc/sys/{}", key.replace('.', "/")));
        if used && value.is_ok_and(|value| value.trim() == "0") {
            problems.push(format!(
                "{family} forwarding is off, so the kernel does not tell the way to clients: sysctl -w {key}=1"
            ));
        }
    }
    for (name, pin) in program.pinned_interfaces() {
        if !config.interfaces.iter().any(|interface| interface.name == name) {
            problems.push(format!(
                "interface {name} is not configured but still attached; to detach it: rm {}",
                pin.display()
            ));
        }
    }
    problems
}
