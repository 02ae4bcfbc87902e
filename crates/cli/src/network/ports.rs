//! Free TCP ports, beginning where FireFly's own tool would put things.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    net::{Ipv4Addr, TcpListener},
};

use crate::error::Error;

/// First port of the members' REST interfaces.
pub(crate) const REST: u16 = 5000;
/// Port of the chain; the other ports of member `i` begin `100 * i` above.
pub(crate) const SERVICES: u16 = 5100;

/// Held on this machine from the choice of ports until their owners listen, so that two networks that are made at the same
/// time do not choose the same.
#[derive(Debug)]
pub(crate) struct Choosing {
    _lock: Option<File>,
}

impl Choosing {
    /// Waits until nobody else chooses. Where the lock cannot be had, such as that of another user, there is none.
    pub(crate) async fn begin() -> Self {
        let lock = || {
            let path = std::env::temp_dir().join("photinus-ports.lock");
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
            file.lock().ok().map(|()| file)
        };
        Self { _lock: tokio::task::spawn_blocking(lock).await.ok().flatten() }
    }
}

/// Hands out ports that nobody listens on, each once.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    taken: HashSet<u16>,
}

impl Ports {
    /// The first free port from `wanted` on.
    pub(crate) fn pick(&mut self, wanted: u16) -> Result<u16, Error> {
        let free = |port: &u16| !self.taken.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let port = (wanted..=u16::MAX).find(free).ok_or(Error::NoPort(wanted))?;
        self.taken.insert(port);
        Ok(port)
    }

    /// Notes that a port belongs to somebody.
    pub(crate) fn take(&mut self, port: u16) {
        self.taken.insert(port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_what_is_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let busy = listener.local_addr().unwrap().port();
        let mut ports = Ports::default();
        let first = ports.pick(busy).unwrap();
        let second = ports.pick(busy).unwrap();
        assert!(busy < first && first < second, "{busy} {first} {second}");
    }
}
