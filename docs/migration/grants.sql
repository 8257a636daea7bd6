-- The user of check, copy, follow, verify and cutover: reads the shop and its binary log.
-- On MySQL it also needs RELOAD, to begin a new file of the log where the copy begins:
-- GRANT RELOAD ON *.* TO spillway;
CREATE USER spillway IDENTIFIED BY 'choose one' REQUIRE SSL;
GRANT SELECT ON shop.* TO spillway;
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO spillway;

-- The user of back: writes the orders' table and keeps two small tables of its own beside it.
CREATE USER spillway_back IDENTIFIED BY 'choose another' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE ON shop.orders TO spillway_back;
GRANT SELECT, INSERT, UPDATE, CREATE ON shop.spillway_back TO spillway_back;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON shop.spillway_back_shards TO spillway_back;
