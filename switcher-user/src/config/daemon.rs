//! `[daemon]`: where it keeps its things, and how much it makes room for.

use std::{ops::RangeInclusive, path::PathBuf};

use toml::{Spanned, de::DeValue};

use super::{
    report::{Reported, Wrong},
    service::Written,
    table::Table,
    value,
};
use crate::model::Daemon;

const SOCKET: &str = "/run/switcher/switcher.sock";

/// The longest path of a unix socket: `sun_path` without its NUL.
const LONGEST_SOCKET: usize = 107;

pub(super) fn read(root: &mut Table<'_>, services: &[Written]) -> Result<Daemon, Reported> {
    let mut table = root.table("daemon", "[daemon]", "daemon: ".to_owned(), "");
    let socket = table.field_or("socket", PathBuf::from(SOCKET), socket);
    let state_dir = directory(&mut table, "state_dir", "/var/lib/switcher");
    let pin_dir = directory(&mut table, "pin_dir", "/sys/fs/bpf/switcher");
    let seed = table.optional("seed", value::seed);
    let flow_entries = table.field_or("flow_entries", 1 << 20, flow_entries);
    let backends = services.iter().map(|service| service.backends.len()).sum();
    let max_services = room(&mut table, "max_services", "services", services.len(), 256);
    let max_backends = room(&mut table, "max_backends", "backends", backends, 4096);
    table.finish();
    Ok(Daemon {
        socket: socket?,
        state_dir: state_dir?,
        pin_dir: pin_dir?,
        seed: seed?.map(Spanned::into_inner),
        flow_entries: flow_entries?,
        max_services: max_services?,
        max_backends: max_backends?,
    })
}

fn socket(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let path = value::path(value, SOCKET)?;
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET {
        let fix = format!("write a path of at most {LONGEST_SOCKET} bytes");
        return Err(Wrong::new(format!("is {length} bytes long"), fix));
    }
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Wrong::new("is a directory", format!("add a file name, such as {SOCKET:?}")));
    }
    Ok(path)
}

fn directory(table: &mut Table<'_>, key: &'static str, default: &str) -> Result<PathBuf, Reported> {
    table.field_or(key, PathBuf::from(default), |value| value::path(value, default))
}

fn flow_entries(value: &DeValue<'_>) -> Result<u32, Wrong> {
    const RANGE: RangeInclusive<u32> = 8..=1 << 28;
    let entries = value::integer(value, &RANGE)
        .map_err(|wrong| Wrong::new(wrong.what, "write a power of two from 8 to 268435456"))?;
    if entries.is_power_of_two() {
        return Ok(entries);
    }
    Err(Wrong::new("is not a power of two", format!("write {}", entries.next_power_of_two())))
}

/// A number of map entries, of which the first is no service's and no backend's.
///
/// What is written must do for what is configured; else it is twice that, so that there is room to grow.
fn room(
    table: &mut Table<'_>,
    key: &'static str,
    noun: &str,
    configured: usize,
    least: u16,
) -> Result<u16, Reported> {
    let ample = u16::try_from((2 * configured).next_power_of_two()).unwrap_or(u16::MAX).max(least);
    let room = table.field_or(key, ample, |value| value::integer(value, &(2..=u16::MAX)))?;
    let most = usize::from(room) - 1;
    if configured <= most {
        return Ok(room);
    }
    let fix = if configured < usize::from(ample) {
        format!("write {key} = {ample}")
    } else {
        format!("remove {noun}, {} are the limit", u16::MAX - 1)
    };
    let what = format!("has room for {most} of {configured} {noun}");
    Err(table.refuse(key, Wrong::new(what, fix)))
}
