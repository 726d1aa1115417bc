//! Registry.

use std::sync::atomic::{AtomicBool, Ordering};

use archgen_env::net::Address;

use super::{Violation, expectation::expect};
use crate::registry::{Instance, Registry};

/// How long a change is waited for, milliseconds.
const WAIT_MS: u64 = 20_000;
/// Longest time in which a change is told, milliseconds.
const WAKE_MS_MAX: u64 = 2_000;

fn instance(number: u16) -> Instance {
    Instance {
        id: format!("suite-{number}"),
        service: "suite".to_owned(),
        address: Address::new("127.0.0.1", 9_000 + number),
        zone: format!("zone-{number}"),
    }
}

/// Who is registered is there, who leaves or gives no sign of life is not, and who waits for a change hears of it. `wait` passes at
/// least the given milliseconds on the registry's clock; `ttl_ms` is the shortest time to live that it does.
///
/// # Errors
/// The first broken promise.
pub async fn registry<W: AsyncFn(u64)>(port: &dyn Registry, ttl_ms: u64, wait: W) -> Result<(), Violation> {
    let (index, nobody) = port.healthy("suite", 0, 0).await?;
    expect("nobody is there", nobody, vec![])?;
    let refused = port.pass("suite-1").await.is_err_and(|error| error.is_refusal());
    expect("who is not registered is told so", refused, true)?;
    port.register(&instance(2), ttl_ms * 100).await?;
    port.register(&instance(1), ttl_ms * 100).await?;
    let (index, both) = port.healthy("suite", index, 2_000).await?;
    expect("by id, with place and zone", both, vec![instance(1), instance(2)])?;
    port.register(&instance(1), ttl_ms * 100).await?;
    expect("once, however often registered", port.healthy("suite", 0, 0).await?.1.len(), 2)?;

    let is_late = AtomicBool::new(false);
    let waiting = async { (port.healthy("suite", index, WAIT_MS).await, is_late.load(Ordering::Relaxed)) };
    let leaving = async {
        wait(50).await;
        let left = port.deregister("suite-2").await;
        wait(WAKE_MS_MAX).await;
        is_late.store(true, Ordering::Relaxed);
        left
    };
    let ((woken, came_late), left) = futures_of(waiting, leaving).await;
    left?;
    let (after, one) = woken?;
    expect("a change is told", one, vec![instance(1)])?;
    expect("and wakes who waits, long before the wait is over", came_late, false)?;
    expect("and has another index", after != index, true)?;
    port.deregister("suite-2").await?;

    port.register(&instance(3), ttl_ms).await?;
    wait(ttl_ms / 2).await;
    port.pass("suite-3").await?;
    expect("a sign of life", port.healthy("suite", 0, 0).await?.1.len(), 2)?;
    let mut waited = 0;
    while port.healthy("suite", 0, 0).await?.1.len() == 2 && waited < ttl_ms * 4 {
        wait(100).await;
        waited += 100;
    }
    expect("without it an instance goes", port.healthy("suite", 0, 0).await?.1, vec![instance(1)])?;
    expect("not before its time", waited + 200 >= ttl_ms, true)?;
    port.deregister("suite-1").await?;
    port.deregister("suite-3").await?;
    expect("nobody is left", port.healthy("suite", 0, 0).await?.1, vec![])
}

/// Both at once, to the end of both.
async fn futures_of<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        use std::task::Poll;
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = other.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
