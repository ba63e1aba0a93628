-- A store as version 1 wrote it. It is never changed: every later version must read it.
PRAGMA application_id=1936159344;
CREATE TABLE resource (
    kind TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    resource TEXT NOT NULL,
    PRIMARY KEY (kind, resource_id)
) WITHOUT ROWID;
CREATE TABLE made (sequence INTEGER NOT NULL);
INSERT INTO made VALUES (7);
INSERT INTO resource VALUES ('Vpc', 'vpc-1', '111122223333', 'eu-west-1', 4, '{"VpcId":"vpc-1"}');
INSERT INTO resource VALUES ('SecurityGroup', 'sg-9', '111122223333', 'eu-west-1', 2, '{"GroupId":"sg-9","Description":"\u00e9"}');
PRAGMA user_version=1;
