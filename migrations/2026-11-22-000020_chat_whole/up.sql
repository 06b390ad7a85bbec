-- People who are erased from chat: what is left to do is done by whoever looks, however often.
CREATE TABLE chat.erasures (
    user_id      uuid PRIMARY KEY,
    policy       text NOT NULL CHECK (policy IN ('tombstone', 'anonymise')),
    requested_at timestamptz NOT NULL,
    done_at      timestamptz
);
CREATE INDEX erasures_due ON chat.erasures (requested_at) WHERE done_at IS NULL;

-- Web Push. The key that signs what this installation sends (PKCS#8): browsers subscribe to it.
CREATE TABLE notifications.push_keys (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    pkcs8 bytea NOT NULL
);

-- Browsers that subscribed. An endpoint is one browser's, whoever uses it.
CREATE TABLE notifications.push_subscriptions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES notifications.streams ON DELETE CASCADE,
    endpoint   text NOT NULL UNIQUE CHECK (length(endpoint) <= 2048),
    p256dh     bytea NOT NULL CHECK (length(p256dh) = 65),
    auth       bytea NOT NULL CHECK (length(auth) = 16),
    label      text NOT NULL,
    created_at timestamptz NOT NULL,
    pushed_at  timestamptz
);
CREATE INDEX push_subscriptions_user ON notifications.push_subscriptions (user_id);

-- What is to be pushed: one row a browser and notification, which stays once it is sent.
CREATE TABLE notifications.pushes (
    id              uuid PRIMARY KEY,
    subscription_id uuid NOT NULL REFERENCES notifications.push_subscriptions ON DELETE CASCADE,
    item_id         uuid NOT NULL REFERENCES notifications.items ON DELETE CASCADE,
    -- Grows with every event that asks for it.
    asked           integer NOT NULL DEFAULT 1,
    attempts        integer NOT NULL DEFAULT 0,
    -- When a worker looks at it next, and since when it waits.
    next_at         timestamptz NOT NULL,
    since           timestamptz NOT NULL,
    sent_at         timestamptz,
    error           text,
    UNIQUE (subscription_id, item_id)
);
CREATE INDEX pushes_next ON notifications.pushes (next_at) WHERE sent_at IS NULL;
CREATE INDEX pushes_item ON notifications.pushes (item_id);
