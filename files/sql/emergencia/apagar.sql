-- Meta: apagar la sincronización. Los servicios siguen; la clave de cada fila que escriban espera en migracion.pendiente, y nada
--   se pierde.
-- Necesita: UPDATE sobre migracion.sincronizacion. Con psql, también durante una fase, que entonces pausa.
-- Bloqueo: ninguno sobre tablas de los servicios.
-- Deshacer: estado --tags sincronizacion -e sincronizacion=si la enciende y lleva lo que esperó.
-- Repetir: sí.

UPDATE migracion.sincronizacion m SET modo = 'no', desde = now() WHERE modo = 'si';
