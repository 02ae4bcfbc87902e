//! What is offered for gas: pure decisions over what the chain asks.

use crate::options::{FeeMode, Fees};

/// What the chain asks for gas, in wei per unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Market {
    /// Of the newest block; absent on chains without base fees.
    pub(crate) base_fee: Option<u128>,
    /// What the chain suggests as a gas price (without base fee) or as a tip (with it).
    pub(crate) suggested: u128,
}

/// What a transaction offers for gas, in wei per unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Price {
    /// The same price whatever the block takes.
    Legacy(u128),
    /// At most `max`, of which `tip` to the block's maker.
    Dynamic { max: u128, tip: u128 },
}

/// Whether prices are by base fee and tip.
pub(crate) fn is_dynamic(mode: FeeMode, base_fee: Option<u128>) -> bool {
    mode == FeeMode::Auto && base_fee.is_some()
}

/// The price of a new transaction. The base fee may double before it becomes too low.
pub(crate) fn price(fees: &Fees, market: &Market) -> Price {
    let limit = fees.max_per_gas.map_or(u128::MAX, u128::from);
    match (fees.mode, market.base_fee) {
        (FeeMode::Zero, _) => Price::Legacy(0),
        (FeeMode::Auto, Some(base_fee)) => {
            let max = base_fee.saturating_mul(2).saturating_add(market.suggested).min(limit);
            Price::Dynamic { max, tip: market.suggested.min(max) }
        }
        _ => Price::Legacy(market.suggested.min(limit)),
    }
}

/// The price of a transaction that takes the place of one that offered `before`: enough above it for nodes to accept the
/// replacement, and at least what a new transaction would offer. `None` when that would be above the operator's limit or out
/// of all proportion to what a new transaction would offer, so that something else than the price must be wrong, and when gas
/// is free and no price helps.
pub(crate) fn raise(fees: &Fees, before: Price, market: &Market) -> Option<Price> {
    if fees.mode == FeeMode::Zero {
        return None;
    }
    let percent = u128::from(fees.raise_percent.max(10));
    // Rounded up, and by one at least, so that small prices rise too.
    let up = |price: u128| price.saturating_add((price.saturating_mul(percent) / 100).max(1));
    let new = price(fees, market);
    let raised = match (before, new) {
        (Price::Legacy(before), Price::Legacy(now)) => Price::Legacy(up(before).max(now)),
        (Price::Dynamic { max, tip }, Price::Dynamic { max: now, tip: tip_now }) => {
            Price::Dynamic { max: up(max).max(now), tip: up(tip).max(tip_now) }
        }
        // The chain got base fees in between, or the operator changed the mode.
        (Price::Legacy(before), Price::Dynamic { max, tip }) => {
            Price::Dynamic { max: up(before).max(max), tip: up(before).max(tip) }
        }
        (Price::Dynamic { max, .. }, Price::Legacy(now)) => Price::Legacy(up(max).max(now)),
    };
    let limit = fees.max_per_gas.map_or(u128::MAX, u128::from).min(most(new).saturating_mul(PROPORTION));
    (most(raised) <= limit).then_some(raised)
}

/// A replacement offers at most this many times what a new transaction would.
const PROPORTION: u128 = 10;

fn most(price: Price) -> u128 {
    let (Price::Legacy(most) | Price::Dynamic { max: most, .. }) = price;
    most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fees(mode: FeeMode) -> Fees {
        Fees { mode, ..Fees::default() }
    }

    #[test]
    fn prices_by_what_the_chain_has() {
        let with = Market { base_fee: Some(100), suggested: 3 };
        let without = Market { base_fee: None, suggested: 50 };
        assert_eq!(price(&fees(FeeMode::Auto), &with), Price::Dynamic { max: 203, tip: 3 });
        assert_eq!(price(&fees(FeeMode::Auto), &without), Price::Legacy(50));
        assert_eq!(price(&fees(FeeMode::Legacy), &without), Price::Legacy(50));
        assert_eq!(price(&fees(FeeMode::Zero), &with), Price::Legacy(0));
        let limited = Fees { max_per_gas: Some(2), ..fees(FeeMode::Auto) };
        assert_eq!(price(&limited, &with), Price::Dynamic { max: 2, tip: 2 });
    }

    #[test]
    fn free_gas_is_never_raised_and_the_limit_holds() {
        let market = Market { base_fee: None, suggested: 20 };
        assert_eq!(raise(&fees(FeeMode::Zero), Price::Legacy(0), &market), None);
        let limited = Fees { max_per_gas: Some(110), ..fees(FeeMode::Legacy) };
        assert_eq!(raise(&limited, Price::Legacy(100), &market), None);
        let limited = Fees { max_per_gas: Some(113), ..fees(FeeMode::Legacy) };
        assert_eq!(raise(&limited, Price::Legacy(100), &market), Some(Price::Legacy(113)));
        assert_eq!(raise(&fees(FeeMode::Legacy), Price::Legacy(190), &market), None, "more than ten times the market");
    }

    proptest! {
        #[test]
        fn a_raise_is_one_that_nodes_accept(max in 0..1_u128 << 100, tip in 0..1_u128 << 100,
                                            base_fee in 0..1_u128 << 100, suggested in 0..1_u128 << 100) {
            let market = Market { base_fee: Some(base_fee), suggested };
            let before = Price::Dynamic { max, tip };
            let raised = raise(&fees(FeeMode::Auto), before, &market);
            let Some(Price::Dynamic { max: max_now, tip: tip_now }) = raised else {
                prop_assert_eq!(raised, None);
                prop_assert!(max + max / 8 + 1 > (base_fee * 2 + suggested) * PROPORTION);
                return Ok(());
            };
            prop_assert!(max_now <= (base_fee * 2 + suggested) * PROPORTION);
            // Nodes compare with ten percent more, rounded down.
            prop_assert!(max_now > max && max_now >= max + max / 10);
            prop_assert!(tip_now > tip && tip_now >= tip + tip / 10);
            prop_assert!(max_now >= base_fee * 2 + suggested);
        }

        #[test]
        fn an_offer_is_consistent(base_fee: Option<u64>, suggested: u64, limit: Option<u64>) {
            let market = Market { base_fee: base_fee.map(u128::from), suggested: suggested.into() };
            let fees = Fees { max_per_gas: limit, ..fees(FeeMode::Auto) };
            if let Price::Dynamic { max, tip } = price(&fees, &market) {
                prop_assert!(tip <= max);
            }
        }
    }
}
