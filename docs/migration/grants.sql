-- Two users. Put your database for shop, and your tables: those here are of the worked examples.
-- `spillway migrate check` prints what either of them still lacks, for the user at hand.
--
-- Without TLS (source.tls = "off", a tunnel, a socket) leave out REQUIRE SSL.
-- MySQL 5.6 has no REQUIRE in CREATE USER: GRANT USAGE ON *.* TO spillway REQUIRE SSL;
-- Where ''@'localhost' exists, it is chosen before these on the server's own machine: drop it.

-- The user of check, copy, follow, verify and cutover: reads the shop and its binary log.
CREATE USER spillway IDENTIFIED BY 'choose one' REQUIRE SSL;
GRANT SELECT ON shop.* TO spillway;
-- A view as the source: GRANT SHOW VIEW ON shop.* TO spillway;
-- So that cutover sees a change that is not committed yet: GRANT LOCK TABLES ON shop.* TO spillway;
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO spillway;
-- MySQL only: a new file of the log begins where the copy begins.
-- GRANT RELOAD ON *.* TO spillway;
-- MySQL 8.0 before 8.0.22 only: GRANT LOCK TABLES ON shop.* TO spillway;

-- The user of back: writes the orders' table and keeps two small tables of its own beside it.
CREATE USER spillway_back IDENTIFIED BY 'choose another' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE ON shop.orders TO spillway_back;
-- One row per order line: GRANT SELECT, INSERT, UPDATE ON shop.order_lines TO spillway_back;
-- Customers by = "table": GRANT SELECT ON shop.customers TO spillway_back;
GRANT SELECT, INSERT, UPDATE, CREATE ON shop.spillway_back TO spillway_back;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON shop.spillway_back_shards TO spillway_back;
