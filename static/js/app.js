// The page's behaviours; each binds itself to data- attributes and survives htmx swaps.
import "./confirm.js";
import "./dismiss.js";
import "./draft.js";
import "./lease.js";
import "./sections.js";
import "./session.js";
import "./shortcuts.js";
import "./timer.js";
import "./timezone.js";
import "./toast.js";
