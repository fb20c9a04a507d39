"""The rendered function ``copiar(stretch, rows, bytes)``, one per pair, and the progress rows that it goes by.

It takes the next rows of the stretch that a progress row names, as many as its bounds allow, calls llevar and moves the
checkpoint: one transaction, one batch. A plain table is read page after page, in the order in which it lies on disk: ids
are random, so the order of the key would fetch a page once for each of its rows. A page's number means nothing once the
file is another one (VACUUM FULL, CLUSTER), nor where there are several (partitions, heirs): there it goes by key.

What was fixed when the copy began is ``fin``. By page: an object, ``hasta`` the last place, ``archivo`` the file, ``densidad``
in rows a page; ``posicion`` is then the last place read. By key: the highest key, and the last one read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route, joined_key
from ..rows.row_bytes import legacy_row_bytes
from ..rows.row_locks import key_and_place, passed
from ..sqltext import commented, dollar_quoted, ident, literal, where_all

BATCH_ROWS = 5000  # of one transaction, where the setting batch_rows does not say otherwise
BATCH_BYTES = 8 * 2**20  # of the legacy rows of one transaction: what it writes, remembers and lasts is bounded by it

# What has to be planned anew for each batch is EXECUTEd: a plan kept from when migracion.cuarentena was empty took 25 s for a
# batch of 0.25 s.
PLANNING = """LANGUAGE plpgsql SECURITY INVOKER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- las filas se buscan por índice o en su lugar: un plan hecho con la tabla vacía la recorrería entera en cada lote
SET enable_seqscan = off SET enable_mergejoin = off SET enable_tidscan = on
-- buscar las filas de un lote ha de costar menos que leer entera la tabla de sus padres
SET seq_page_cost = 0.01 SET random_page_cost = 0.01 SET cpu_operator_cost = 0.0001
-- compilar tardaría más que el lote
SET jit = off
"""
HEAD = f"""{PLANNING}-- auto: de otro modo se planearía la comprobación de cada clave foránea, fila por fila
SET plan_cache_mode = auto
"""


def function_body(text: str) -> str:
    """Return the clause AS of a plpgsql function. Every column has its table's alias in front: what has none is a variable."""
    return f"AS {dollar_quoted(f'{chr(10)}#variable_conflict use_variable{chr(10)}{text}', 'funcion')}"


def batch_function(route: Route, leaf: bool) -> str:
    """Return the statement that creates the pair's function copiar.

    Of a leaf it locks nothing: while its pair keeps keys cargar puts the rows in, and otherwise llevar locks them by their key.
    """
    keys, names = route.key, route.key_names
    seen = ("p",) if leaf else ("p", "v")
    variables = "\n  ".join(" ".join(f"{v}{k} {c.type}[];" for v in seen) for c, k in zip(keys, names, strict=True))
    reached = joined_key([(f"p{k}[v_n]", c.base) for c, k in zip(keys, names, strict=True)])
    if route.in_one_file:
        by_page = f"  IF jsonb_typeof(v_p.fin) = 'object' THEN\n{_by_page(route, leaf)}  ELSE\n"
        pick = f"{_begun_again(route)}{by_page}{_by_key(route, leaf)}  END IF;\n"
    else:
        pick = _by_key(route, leaf)
    late = "-- cada bloqueo espera a quien escribe; solo hasta el fin que se fijó: lo que llega después lo encuentra la prueba"
    carried = _carried(route, "llevar", ", p_lugar", "  ")
    if leaf:
        late = "-- nada se bloquea; solo hasta el fin que se fijó: lo que llega después deja su clave, o lo encuentra la prueba"
        carried = f"""  IF {keeps_keys(route)} THEN
{_carried(route, "cargar", ", p_lugar", "    ")}  ELSE
{_carried(route, "llevar", "", "    ")}  END IF;
"""
    caption = (
        f"Un lote: las filas de {ident(route.pair.source)} que siguen en el tramo, por llevar, y el avance en progreso_copia."
        " La llama la copia (table_copy), lote tras lote."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {route.function("copiar")}(
  p_tramo text, p_filas integer, p_bytes bigint, p_run text,
  OUT leidas bigint, OUT copiadas bigint, OUT rechazadas bigint, OUT terminada boolean, OUT cortada boolean)
{HEAD}"""
    body = f"""DECLARE
  v_p {BOOKKEEPING}.progreso_copia; v_n integer; v_vistas integer; v_desde tid; v_hasta tid; v_ultimo tid;
  p_lugar tid[];
  {variables}
BEGIN
  SELECT * INTO STRICT v_p FROM {BOOKKEEPING}.progreso_copia
  WHERE tabla_origen = {literal(route.pair.source)} AND tabla_destino = {literal(route.pair.target)} AND tramo = p_tramo
  FOR UPDATE;
  {late}
{pick}  leidas := v_n;
{carried}  UPDATE {BOOKKEEPING}.progreso_copia SET
    posicion = v_p.posicion, fin = v_p.fin, filas_previstas = v_p.filas_previstas,
    ultima_clave = CASE WHEN v_n > 0 THEN {reached} ELSE ultima_clave END,
    filas_leidas = v_p.filas_leidas + v_n, filas_copiadas = v_p.filas_copiadas + copiadas,
    filas_cuarentena = v_p.filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END """
    return head + function_body(body)


def _carried(route: Route, verb: str, places: str, margin: str) -> str:
    called = f"{route.function(verb)}({passed(route.key_names)}, p_run{places}) r;"
    return f"{margin}SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM {called}\n"


def keeps_keys(route: Route) -> str:
    """Return whether the pair's triggers leave keys and nothing else while it is loaded."""
    pair = f"m.tabla_origen = {literal(route.pair.source)} AND m.tabla_destino = {literal(route.pair.target)}"
    return f"EXISTS (SELECT FROM {BOOKKEEPING}.sincronizacion m WHERE {pair} AND m.modo = 'claves')"


def _file(route: Route) -> str:
    return f"pg_relation_filenode({literal(route.source_table)})"


def _page(place: str) -> str:
    return f"({place}::text::point)[0]::bigint"


def _begun_again(route: Route) -> str:
    """Return the step that goes back to the start, by key, once the pages are another file's."""
    return f"""  PERFORM 1 FROM {route.source_table} l LIMIT 0;  -- retiene la tabla: nadie la reescribe hasta que termine el lote
  IF (v_p.fin->>'archivo')::oid <> {_file(route)} THEN
    -- reescrita: desde el principio, por clave; lo ya copiado es igual y se queda
    SELECT NULL, u.fin, n.filas, 0, 0, 0 INTO v_p.posicion, v_p.fin, v_p.filas_previstas, v_p.filas_leidas,
      v_p.filas_copiadas, v_p.filas_cuarentena
    FROM {_rows_and_highest_key(route)};
  END IF;
"""


def _by_page(route: Route, leaf: bool) -> str:
    """Return the steps that choose the rows of the next pages, then lock them in their places, but for a leaf's.

    A row that a writer moved elsewhere while its lock was waited for is not found in its place: then all of them are locked by
    key, by llevar.
    """
    names = route.key_names
    chosen = where_all(route.where("l"), "l.ctid > v_desde AND l.ctid <= v_hasta", before=" ")
    stretch = f"FROM {route.source_table} l{chosen}"
    found = ", ".join(f"v{k}" for k in names)
    moved = "-- alguna fila ya no está en su lugar: llevar las bloquea todas por su clave"
    both = " ".join(f"p{k} := p{k} || v{k};" for k in names)
    locked = f"""    SELECT {_arrays((*names, "_lugar"), "l", "l._lugar")} INTO {found}, p_lugar FROM (
      SELECT {key_and_place(route)}
      {stretch} FOR SHARE OF l) l;
    IF ({passed(names)}) IS DISTINCT FROM ({found}) THEN
      {moved}
      {both} p_lugar := NULL;
    END IF;
"""
    places = [*names, "_lugar"] if leaf else names
    into = f"{passed(names)}{', p_lugar' if leaf else ''}"
    return f"""    v_desde := coalesce(v_p.posicion #>> '{{}}', '(0,0)');
    v_hasta := LEAST((v_p.fin->>'hasta')::tid, format('(%s,0)', {_page("v_desde")}
      + 1 + ceil(p_filas / GREATEST((v_p.fin->>'densidad')::numeric, 0.01)))::tid);
    SELECT {_arrays(places, "s", "s._lugar", "s.entra")}, count(*), max(s._lugar) FILTER (WHERE s.entra)
    INTO {into}, v_vistas, v_ultimo FROM (
      {_within_bounds("l._lugar", "p_filas", "p_bytes")} FROM (
        SELECT {key_and_place(route)},
          {legacy_row_bytes(route, "l")} AS peso
        {stretch}) l) l) s;
    v_n := cardinality(p{names[0]});
    cortada := v_n < v_vistas;
    IF cortada THEN v_hasta := v_ultimo; END IF;
{"" if leaf else locked}    v_p.posicion := to_jsonb(v_hasta);
    terminada := v_hasta = (v_p.fin->>'hasta')::tid;
"""


def _by_key(route: Route, leaf: bool) -> str:
    """Return the steps that lock, but for a leaf's, and take the next rows in the order of the key."""
    row = "(" + ", ".join(f"l.{ident(c.name)}" for c in route.key) + ")"
    order = ", ".join(f"l.{ident(c.name)}" for c in route.key)
    last, end = ("(" + ", ".join(f"(${place}->>{n})::{c.type}" for n, c in enumerate(route.key)) + ")" for place in (1, 2))
    names, order_taken = (", ".join(f"{alias}.{k}" for k in route.key_names) for alias in "ls")
    reached = ", ".join(f"p{k}[v_n]::text" for k in route.key_names)
    rows = f"""
    SELECT {_arrays((*route.key_names, "_lugar"), "s", order_taken, "s.entra")}, count(*)
    FROM (
      {_within_bounds(names, "$3", "$4")} FROM (
        SELECT {key_and_place(route)},
          {legacy_row_bytes(route, "l")} AS peso
        FROM {route.source_table} l{where_all(route.where("l"), f"($1 IS NULL OR {row} > {last}) AND {row} <= {end}", before=" ")}
        ORDER BY {order} LIMIT $3{"" if leaf else " FOR SHARE OF l"}) l) l) s
    """
    taken = f"{passed(route.key_names)}, p_lugar, v_vistas"
    return f"""    EXECUTE {dollar_quoted(rows, "lote")} INTO {taken} USING v_p.posicion, v_p.fin, p_filas, p_bytes;
    v_n := cardinality(p{route.key_names[0]});
    cortada := v_n < v_vistas;
    v_p.posicion := CASE WHEN v_n > 0 THEN jsonb_build_array({reached}) ELSE v_p.posicion END;
    terminada := NOT cortada AND v_vistas < p_filas;
"""


def _arrays(names: Sequence[str], alias: str, order: str, condition: str = "") -> str:
    """Return columns as arrays in this order, each empty where there is no row."""
    chosen = f" FILTER (WHERE {condition})" if condition else ""
    return ", ".join(f"coalesce(array_agg({alias}.{n} ORDER BY {order}){chosen}, '{{}}')" for n in names)


def _within_bounds(order: str, rows: str, size: str) -> str:
    """Return the head of a SELECT that says of each row whether it is within the bounds; one larger than them goes alone."""
    window = f"OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING)"
    return f"""SELECT l.*, l.fila = 1 OR l.fila <= {rows} AND l.suma <= {size} AS entra FROM (
      SELECT l.*, row_number() {window} AS fila, sum(l.peso) {window} AS suma"""


def _rows_and_highest_key(route: Route) -> str:
    """Return the tables n (filas, and the last place of a row) and u (fin, NULL where there is no row)."""
    keys = ", ".join(f"l.{ident(c.name)}::text" for c in route.key)
    order = ", ".join(f"l.{ident(c.name)} DESC" for c in route.key)
    rows = f"SELECT count(*) AS filas, max(l.ctid) AS lugar FROM {route.source_table} l{where_all(route.where('l'), before=' ')}"
    return f"""({rows}) n
    LEFT JOIN (SELECT jsonb_build_array({keys}) AS fin FROM {route.source_table} l ORDER BY {order} LIMIT 1) u ON true"""


def fix_end(route: Route) -> str:
    """Return the INSERT that opens the progress row and fixes the end of the copy at what the table holds at this moment."""
    end = "u.fin"
    if route.in_one_file:
        end = (
            f"jsonb_build_object('hasta', n.lugar, 'archivo', {_file(route)},"
            f" 'densidad', round(n.filas / ({_page('n.lugar')} + 1)::numeric, 3))"
        )
    return f"""INSERT INTO {BOOKKEEPING}.progreso_copia
  (tabla_origen, tabla_destino, tramo, fin, filas_previstas, terminada_at)
SELECT {literal(route.pair.source)}, {literal(route.pair.target)}, '', {end}, n.filas, CASE WHEN n.filas = 0 THEN now() END
FROM {_rows_and_highest_key(route)}
ON CONFLICT (tabla_origen, tabla_destino, tramo) DO NOTHING"""


def split_end(route: Route) -> str:
    """Return the statement that cuts a copy which has not begun into two stretches, of equal pages or else of equal rows."""
    keys = ", ".join(f"l.{ident(c.name)}::text" for c in route.key)
    order = ", ".join(f"l.{ident(c.name)}" for c in route.key)
    pair = f"p.tabla_origen = {literal(route.pair.source)} AND p.tabla_destino = {literal(route.pair.target)}"
    if route.in_one_file:
        middle = f"""SELECT to_jsonb(e.lugar) AS posicion, jsonb_set(e.fin, '{{hasta}}', to_jsonb(e.lugar)) AS fin
  FROM (SELECT e.fin, format('(%s,0)', {_page("(e.fin->>'hasta')")} / 2) AS lugar FROM entero e) e"""
    else:
        middle = f"""SELECT k.clave AS posicion, k.clave AS fin FROM (
    SELECT jsonb_build_array({keys}) AS clave FROM {route.source_table} l{where_all(route.where("l"), before=" ")}
    ORDER BY {order} OFFSET (SELECT filas_previstas / 2 FROM entero) LIMIT 1) k"""
    return f"""WITH entero AS (
  SELECT p.* FROM {BOOKKEEPING}.progreso_copia p WHERE {pair} AND p.tramo = ''
), medio AS (
  {middle}
), segundo AS (
  INSERT INTO {BOOKKEEPING}.progreso_copia (tabla_origen, tabla_destino, tramo, posicion, fin, filas_previstas)
  SELECT e.tabla_origen, e.tabla_destino, '2', m.posicion, e.fin, e.filas_previstas - e.filas_previstas / 2
  FROM entero e CROSS JOIN medio m
  RETURNING tramo
)
UPDATE {BOOKKEEPING}.progreso_copia p SET tramo = '1', fin = m.fin, filas_previstas = p.filas_previstas / 2
FROM segundo s CROSS JOIN medio m WHERE {pair} AND p.tramo = ''"""
