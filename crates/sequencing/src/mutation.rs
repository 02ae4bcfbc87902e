//! Ways to break the rules on purpose, so that whoever checks them can be checked. Nothing of this exists unless the feature
//! `mutations` is on, which only the simulation asks for; and then each thread that runs the machine is whole until it
//! says otherwise.

#[cfg(feature = "mutations")]
use std::cell::Cell;

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "mutations"), expect(unreachable_pub, reason = "public where the feature is on"))]
pub enum Mutation {
    /// A message on several topics waits for its turn in the first of them alone.
    OvertakesOnOtherTopics,
    /// The next in a context is not looked at when the one before it is decided.
    ForgetsTheNext,
    /// Values are not compared with the topics of the message that they are said to be of.
    BelievesAnyValue,
    /// Whoever pinned a message need not own the key that it names.
    IgnoresWhoSigned,
    /// A key may speak for any author.
    IgnoresWhoseKey,
    /// Of two pins of one message the first to be met counts, not the lower one.
    FirstMetCounts,
    /// A private message counts when it is pinned for everybody.
    PrivateInTheOpen,
    /// A copy of a private pin by a stranger has the slot.
    CopiesTakeSlots,
    /// Whoever pins a value first has the slot, also without any payload.
    WaitsForStrangers,
    /// The pin that has the slot is held against a message, not the first that names its batch.
    ForgetsEarlierPins,
    /// A datatype that is not known yet will never be.
    HastyAboutDatatypes,
    /// A second definition of a name replaces the first.
    DefinesAgain,
    /// A message that is pinned again is decided again.
    DecidesAgain,
    /// Whoever waits for a fact is not told when it comes.
    WakesNobody,
    /// Values that order nothing stay in the way.
    KeepsVoidValues,
    /// A private payload is believed whoever delivers it.
    BelievesAnyPeer,
}

#[cfg(feature = "mutations")]
impl Mutation {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::OvertakesOnOtherTopics,
        Self::ForgetsTheNext,
        Self::BelievesAnyValue,
        Self::IgnoresWhoSigned,
        Self::IgnoresWhoseKey,
        Self::FirstMetCounts,
        Self::PrivateInTheOpen,
        Self::CopiesTakeSlots,
        Self::WaitsForStrangers,
        Self::ForgetsEarlierPins,
        Self::HastyAboutDatatypes,
        Self::DefinesAgain,
        Self::DecidesAgain,
        Self::WakesNobody,
        Self::KeepsVoidValues,
        Self::BelievesAnyPeer,
    ];
}

#[cfg(feature = "mutations")]
thread_local! {
    static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
}

/// Makes the machine wrong in one way on this thread, or whole again.
#[cfg(feature = "mutations")]
pub fn set(mutation: Option<Mutation>) {
    ACTIVE.set(mutation);
}

/// Whether the machine is wrong in this way.
#[cfg(feature = "mutations")]
pub(crate) fn is(mutation: Mutation) -> bool {
    ACTIVE.get() == Some(mutation)
}

/// It never is.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn is(_: Mutation) -> bool {
    false
}
