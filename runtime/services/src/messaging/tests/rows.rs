//! What members are shown of a channel while memberships end.

use std::future::ready;

use archgen_ports::{ChannelId, UserId, accounts::Expect};
use serde_json::json;

use super::super::{
    channels::{Channel, Kind, Posting, Rows, Untold},
    error::MessagingError,
    kinds::MEMBER_REMOVED,
};
use crate::user::tests::store::Store;

/// A private channel of these people, the first of whom is its owner.
async fn channel(rows: Rows<'_>, people: &[&str]) -> ChannelId {
    let people: Vec<UserId> = people.iter().map(|name| UserId::from(*name)).collect();
    let channel = Channel {
        id: ChannelId::from("1"),
        name: "secret".to_owned(),
        kind: Kind::Private,
        creator: people[0].clone(),
        created: 1,
        topic: String::new(),
        archived: false,
        slow_mode_s: 0,
        posting: Posting::Everyone,
        keep_days: 0,
        expires: None,
        untold: None,
        dm_key: None,
    };
    rows.create(channel, &people).await.unwrap().id
}

#[tokio::test]
async fn what_was_read_while_a_membership_ended_is_not_shown() {
    let store = Store::default();
    let rows = Rows(&store);
    let (ada, bob) = (UserId::from("ada"), UserId::from("bob"));
    let id = channel(rows, &["ada", "bob"]).await;
    assert_eq!(rows.shown(&id, &bob, ready(Ok(1))).await.unwrap(), 1);
    // The end of a membership is first written down, then told, and then the row goes.
    let told = async {
        let (mut member, version) = rows.standing(&id, &bob).await?.unwrap();
        let (kind, by) = (MEMBER_REMOVED.to_owned(), ada.clone());
        member.untold = Some(Untold { id: "e1".to_owned(), by, kind, data: json!({}) });
        rows.put_member(&member, Expect::Version(version)).await.map(|()| 2)
    };
    let gone = async {
        let (member, version) = rows.standing(&id, &bob).await?.unwrap();
        rows.delete_member(&member, version).await.map(|()| 3)
    };
    assert!(matches!(rows.shown(&id, &bob, told).await, Err(MessagingError::NotFound("channel"))));
    assert!(matches!(rows.shown(&id, &bob, gone).await, Err(MessagingError::NotFound("channel"))));
    assert_eq!(rows.shown(&id, &ada, ready(Ok(4))).await.unwrap(), 4, "the others go on reading");
    let failed = ready(Err::<u8, _>(MessagingError::Contended));
    assert!(matches!(rows.shown(&id, &ada, failed).await, Err(MessagingError::Contended)));
}
