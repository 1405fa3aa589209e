import { Carebell } from "../client/index.ts";
import { followBoard } from "./board-view.ts";
import { startScreen } from "./screen.ts";

const [page, queueId = ""] = location.pathname.split("/").filter(Boolean);

if (page === "screen") startScreen();
else followBoard(new Carebell({ refused: async () => false }), queueId);
