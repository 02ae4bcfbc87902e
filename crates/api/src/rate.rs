//! How many requests a client may send in a second. A listener without such a limit has none of this.
//!
//! Each client has a bucket of tokens that fills at the rate; a request takes one, and finds none when the client was too fast.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderValue, header};
use parking_lot::Mutex;

use crate::{
    auth,
    failure::Failure,
    metrics::{Metrics, Refusal},
    options::{By, RateLimit},
};

/// Clients that have buckets of their own. Those that come when all are in use share one.
const MOST: usize = 50_000;

/// Whom a bucket belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Client {
    Address(IpAddr),
    User(String),
    /// All for whom there was no room.
    Others,
}

/// The limit of one listener.
pub(crate) struct Limiter {
    limit: RateLimit,
    buckets: Mutex<HashMap<Client, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limiter {
    pub(crate) fn new(limit: &RateLimit) -> Arc<Self> {
        Arc::new(Self { limit: limit.clone(), buckets: Mutex::default() })
    }

    /// What requests are counted by.
    pub(crate) fn by(&self) -> By {
        self.limit.by
    }

    /// Lets only so many requests of a client through.
    pub(crate) fn guard(self: Arc<Self>, router: Router, metrics: &Metrics) -> Router {
        let (limiter, metrics) = (self, metrics.refusals());
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let client = limiter.client(&request);
            let taken = limiter.take(client, Instant::now());
            let metrics = metrics.clone();
            async move {
                match taken {
                    Ok(()) => next.run(request).await,
                    Err(wait) => {
                        metrics.count(Refusal::Rate);
                        refused(wait)
                    }
                }
            }
        }))
    }

    fn client(&self, request: &Request) -> Client {
        let user = || auth::user(request.headers()).map(Client::User);
        let address = || {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            peer.map_or(Client::Others, |ConnectInfo(peer)| Client::Address(network(peer.ip())))
        };
        match self.limit.by {
            By::Address => address(),
            By::User => user().unwrap_or_else(address),
        }
    }

    /// Takes a token of a client, or says how long it has to wait for the next one.
    fn take(&self, client: Client, now: Instant) -> Result<(), Duration> {
        let (rate, burst) = (self.limit.per_second, f64::from(self.limit.burst.max(1)));
        let filled = |bucket: &Bucket| {
            (bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * rate).min(burst)
        };
        let mut buckets = self.buckets.lock();
        let mut client = client;
        if buckets.len() >= MOST && !buckets.contains_key(&client) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| filled(bucket) < burst);
            if buckets.len() >= MOST {
                client = Client::Others;
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: burst, at: now });
        *bucket = Bucket { tokens: filled(bucket), at: now };
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((1.0 - bucket.tokens) / rate).unwrap_or(Duration::MAX))
    }
}

/// What stands for a client's machine: whoever has an IPv6 address has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        },
        v4 => v4,
    }
}

fn refused(wait: Duration) -> Response {
    let seconds = wait.as_secs_f64().ceil().clamp(1.0, 3_600.0);
    let mut response = Failure::too_fast(seconds).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds:.0}")) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: f64, burst: u32) -> Arc<Limiter> {
        Limiter::new(&RateLimit { per_second, burst, by: By::Address })
    }

    fn client(text: &str) -> Client {
        Client::Address(network(text.parse().unwrap()))
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limiter, now) = (limiter(2.0, 3), Instant::now());
        let take = |after: f64| limiter.take(client("10.0.0.1"), now + Duration::from_secs_f64(after));
        for _ in 0..3 {
            take(0.0).unwrap();
        }
        assert_eq!(take(0.0), Err(Duration::from_millis(500)));
        assert_eq!(take(0.25), Err(Duration::from_millis(250)));
        take(0.5).unwrap();
        assert!(take(0.5).is_err());
        assert!(limiter.take(client("10.0.0.2"), now).is_ok(), "everybody has a bucket");
        for _ in 0..3 {
            take(1_000.0).unwrap();
        }
        assert!(take(1_000.0).is_err(), "a bucket holds no more than the burst");
    }

    #[test]
    fn a_client_is_a_machine_or_a_network() {
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
    }

    #[test]
    fn clients_are_bounded_and_late_ones_share() {
        let (limiter, now) = (limiter(0.001, 1), Instant::now());
        for number in 0..u32::try_from(MOST).unwrap() {
            limiter.take(Client::Address(IpAddr::from(number.to_be_bytes())), now).unwrap();
        }
        limiter.take(client("200.0.0.1"), now).unwrap();
        assert!(limiter.take(client("200.0.0.2"), now).is_err());
        assert_eq!(limiter.buckets.lock().len(), MOST + 1);
        let later = now + Duration::from_secs(2_000);
        limiter.take(client("200.0.0.2"), later).unwrap();
        assert!(limiter.buckets.lock().len() < 3, "full buckets are dropped when room is needed");
    }
}
