BEGIN TRANSACTION;
CREATE TABLE closed_order (
        order_id TEXT PRIMARY KEY,
        client_id TEXT,
        ended_seq INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
INSERT INTO "closed_order" VALUES('o1','tdc.abc123.en.1',4,'{"order_id":"o1","client_id":"tdc.abc123.en.1","symbol":"SOLUSDT","side":"buy","type":"market","status":"filled","qty":"3","filled_qty":"3","average_price":"149.07","created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""}');
CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        account INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
INSERT INTO "event" VALUES(1,'SettingsChanged',0,'{"seq":1,"at_ms":1704067200000,"symbol":"SOLUSDT","leverage":"5","margin_mode":"isolated"}');
INSERT INTO "event" VALUES(2,'Accepted',0,'{"seq":2,"at_ms":1704067200000,"order":{"order_id":"o1","client_id":"tdc.abc123.en.1","symbol":"SOLUSDT","side":"buy","type":"market","status":"new","qty":"3","filled_qty":"0","average_price":null,"created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""}}');
INSERT INTO "event" VALUES(3,'Executed',1,'{"seq":3,"at_ms":1704067200000,"fill":{"execution_id":"x3","seq":3,"order_id":"o1","client_id":"tdc.abc123.en.1","parent_id":null,"symbol":"SOLUSDT","side":"buy","qty":"3","price":"149.07","fee":"0.2459655","at_ms":1704067200000,"maker":false,"kind":"trade","reason":"market"}}');
INSERT INTO "event" VALUES(4,'Updated',0,'{"seq":4,"at_ms":1704067200000,"order":{"order_id":"o1","client_id":"tdc.abc123.en.1","symbol":"SOLUSDT","side":"buy","type":"market","status":"filled","qty":"3","filled_qty":"3","average_price":"149.07","created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""}}');
INSERT INTO "event" VALUES(5,'Accepted',0,'{"seq":5,"at_ms":1704067200000,"order":{"order_id":"o2","client_id":null,"symbol":"SOLUSDT","side":"sell","type":"stop_market","status":"new","qty":"3","filled_qty":"0","average_price":null,"created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":"134.14","trigger_by":"LastPrice","reduce_only":true,"close_position":false,"parent_id":"o1","reason":""}}');
INSERT INTO "event" VALUES(6,'Accepted',0,'{"seq":6,"at_ms":1704067200000,"order":{"order_id":"o3","client_id":null,"symbol":"SOLUSDT","side":"sell","type":"take_profit_market","status":"new","qty":"3","filled_qty":"0","average_price":null,"created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":"178.86","trigger_by":"MarkPrice","reduce_only":true,"close_position":false,"parent_id":"o1","reason":""}}');
INSERT INTO "event" VALUES(7,'FundingPaid',1,'{"seq":7,"at_ms":1704067200000,"funding":{"funding_id":"f7","seq":7,"symbol":"SOLUSDT","rate":"0.0001","amount":"-0.044715","at_ms":1704067200000}}');
INSERT INTO "event" VALUES(8,'Accepted',0,'{"seq":8,"at_ms":1704067500000,"order":{"order_id":"o4","client_id":"tdc.abc123.en.2","symbol":"SOLUSDT","side":"buy","type":"limit","status":"new","qty":"1.5","filled_qty":"0","average_price":null,"created_ms":1704067500000,"updated_ms":1704067500000,"price":"119.24","trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""}}');
INSERT INTO "event" VALUES(9,'Accepted',0,'{"seq":9,"at_ms":1704067500000,"order":{"order_id":"o5","client_id":"tdc.abc123.en.3","symbol":"SOLUSDT","side":"buy","type":"limit","status":"new","qty":"0.1","filled_qty":"0","average_price":null,"created_ms":1704067500000,"updated_ms":1704067500000,"price":"104.34","trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""}}');
CREATE TABLE feed (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        checkpoint TEXT NOT NULL
    ) STRICT;
INSERT INTO "feed" VALUES(1,'{"SOLUSDT":[0,"150","6.873097412480973e-06"]}');
CREATE TABLE market (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
INSERT INTO "market" VALUES(1,7,'{"market_ms":1704067800000,"server_ms":1704067800000,"next_order":6,"next_seq":10,"prices":{"SOLUSDT":{"last":"148.84","mark":"148.84","index":"148.84"}}}');
CREATE TABLE open_state (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (kind, key)
    ) STRICT;
INSERT INTO "open_state" VALUES(1,'settings','','{"maker_fee":"0.0002","taker_fee":"0.00055","slippage_bps":"1","liquidation_fee":"0.005","max_fill_qty_per_point":null,"timestamp_ahead_ms":1000}');
INSERT INTO "open_state" VALUES(2,'instruments','SOLUSDT','{"symbol":"SOLUSDT","base":"SOL","quote":"USDT","tick_size":"0.01","qty_step":"0.1","min_qty":"0.1","min_notional":"5","max_market_qty":"9000","tiers":[{"notional_cap":"50000","max_leverage":"100","maintenance_rate":"0.005","maintenance_amount":"0"},{"notional_cap":"400000","max_leverage":"75","maintenance_rate":"0.0065","maintenance_amount":"75"},{"notional_cap":"1000000","max_leverage":"50","maintenance_rate":"0.01","maintenance_amount":"1475"},{"notional_cap":"4000000","max_leverage":"25","maintenance_rate":"0.02","maintenance_amount":"11475"},{"notional_cap":"8000000","max_leverage":"20","maintenance_rate":"0.025","maintenance_amount":"31475"},{"notional_cap":"40000000","max_leverage":"10","maintenance_rate":"0.05","maintenance_amount":"231475"},{"notional_cap":"80000000","max_leverage":"5","maintenance_rate":"0.1","maintenance_amount":"2231475"},{"notional_cap":"100000000","max_leverage":"4","maintenance_rate":"0.125","maintenance_amount":"4231475"},{"notional_cap":"200000000","max_leverage":"2","maintenance_rate":"0.25","maintenance_amount":"16731475"},{"notional_cap":"400000000","max_leverage":"1","maintenance_rate":"0.5","maintenance_amount":"66731475"}],"contract_size":"1","max_limit_qty":"100000"}');
INSERT INTO "open_state" VALUES(3,'balances','trader','"9999.7093195"');
INSERT INTO "open_state" VALUES(4,'balances','market','"0"');
INSERT INTO "open_state" VALUES(5,'balances','fees','"0.2459655"');
INSERT INTO "open_state" VALUES(6,'balances','funding','"0.044715"');
INSERT INTO "open_state" VALUES(7,'balances','insurance','"0"');
INSERT INTO "open_state" VALUES(8,'balances','transfers','"0"');
INSERT INTO "open_state" VALUES(9,'balances','residue','"0"');
INSERT INTO "open_state" VALUES(10,'symbols','SOLUSDT','{"leverage":"5","margin_mode":"isolated"}');
INSERT INTO "open_state" VALUES(11,'positions','SOLUSDT','{"lot":{"qty":"3","cost":"447.21"},"leverage":"5","margin_mode":"isolated","margin":"89.442","updated_ms":1704067200000}');
INSERT INTO "open_state" VALUES(12,'orders','o2','{"fact":{"order_id":"o2","client_id":null,"symbol":"SOLUSDT","side":"sell","type":"stop_market","status":"new","qty":"3","filled_qty":"0","average_price":null,"created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":"134.14","trigger_by":"LastPrice","reduce_only":true,"close_position":false,"parent_id":"o1","reason":""},"number":2,"stop":null,"target":null,"reserved":"0","filled_cost":"0","triggered":false}');
INSERT INTO "open_state" VALUES(13,'orders','o3','{"fact":{"order_id":"o3","client_id":null,"symbol":"SOLUSDT","side":"sell","type":"take_profit_market","status":"new","qty":"3","filled_qty":"0","average_price":null,"created_ms":1704067200000,"updated_ms":1704067200000,"price":null,"trigger_price":"178.86","trigger_by":"MarkPrice","reduce_only":true,"close_position":false,"parent_id":"o1","reason":""},"number":3,"stop":null,"target":null,"reserved":"0","filled_cost":"0","triggered":false}');
INSERT INTO "open_state" VALUES(14,'orders','o4','{"fact":{"order_id":"o4","client_id":"tdc.abc123.en.2","symbol":"SOLUSDT","side":"buy","type":"limit","status":"new","qty":"1.5","filled_qty":"0","average_price":null,"created_ms":1704067500000,"updated_ms":1704067500000,"price":"119.24","trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""},"number":4,"stop":null,"target":null,"reserved":"35.968746","filled_cost":"0","triggered":false}');
INSERT INTO "open_state" VALUES(15,'orders','o5','{"fact":{"order_id":"o5","client_id":"tdc.abc123.en.3","symbol":"SOLUSDT","side":"buy","type":"limit","status":"new","qty":"0.1","filled_qty":"0","average_price":null,"created_ms":1704067500000,"updated_ms":1704067500000,"price":"104.34","trigger_price":null,"trigger_by":null,"reduce_only":false,"close_position":false,"parent_id":null,"reason":""},"number":5,"stop":null,"target":null,"reserved":"2.0982774","filled_cost":"0","triggered":false}');
CREATE TABLE stamp (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
INSERT INTO "stamp" VALUES(1,'main','[["sim.source","generated"],["sim.clock","stepped"],["symbols","SOLUSDT"],["perps.interval","5m"],["base_interval","5m"],["start_prices",""],["sim.seed","7"],["sim.start_balance","10000"],["sim.maker_fee","0.0002"],["sim.taker_fee","0.00055"],["sim.slippage_bps","1"],["sim.funding_rate","0.0001"],["start_ms","1704067200000"]]');
CREATE INDEX event_account ON event (seq) WHERE account = 1;
CREATE INDEX closed_order_client ON closed_order (client_id, ended_seq) WHERE client_id IS NOT NULL;
COMMIT;
