DROP TABLE notifications.pushes, notifications.push_subscriptions, notifications.push_keys;
DROP TABLE chat.erasures;
